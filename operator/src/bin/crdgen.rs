//! Prints the CustomResourceDefinition of FoodPlatform, or with the argument `reference` the page about its fields.

fn main() -> anyhow::Result<()> {
    match std::env::args().nth(1).as_deref() {
        None => print!("{}", foodplatform_operator::crd_yaml()?),
        Some("reference") => print!("{}", foodplatform_operator::api::reference()?),
        Some(other) => anyhow::bail!("unknown argument {other}: none, or reference"),
    }
    Ok(())
}
