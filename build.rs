//! A migration that is added is a reason to compile anew; the compiler does not see it by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
