//! Prints the AsyncAPI document of the topics.

fn main() {
    println!("{:#}", contract::asyncapi::document());
}
