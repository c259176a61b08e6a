//! Prints the CustomResourceDefinition of FoodPlatform, or with an argument what else is made of it: `reference`, the page about its
//! fields, or `values-schema`, the schema of the values of the chart foodplatform.

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => print!("{}", foodplatform_operator::crd_yaml()?),
        Some("reference") => print!("{}", foodplatform_operator::api::reference()?),
        Some("values-schema") => print!("{}", foodplatform_operator::api::values_schema()?),
        Some(other) => anyhow::bail!("unknown argument {other}: none, reference or values-schema"),
    }
    Ok(())
}
