//! Prints the CustomResourceDefinition of FoodPlatform as YAML: `cargo xtask crds` writes it to `crds/`.

fn main() -> anyhow::Result<()> {
    print!("{}", foodplatform_operator::crd_yaml()?);
    Ok(())
}
