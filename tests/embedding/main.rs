//! The library as somebody who embeds it sees it: its public interface and nothing else.

mod clock;
mod errors;
mod examples;
mod parts;
mod processes;
mod store;
mod typed;

#[path = "../../host/examples/embed.rs"]
mod embed;
#[path = "../../host/examples/own_parts/main.rs"]
mod own_parts;

/// A test file that nobody declares is a test that nobody runs.
#[test]
fn every_file_here_is_a_module() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/embedding");
    let declared = include_str!("main.rs");
    for entry in std::fs::read_dir(folder).expect("the folder of this suite") {
        let name = entry
            .expect("an entry")
            .file_name()
            .into_string()
            .expect("a plain name");
        let module = name.strip_suffix(".rs").expect("only Rust files");
        assert!(
            module == "main" || declared.contains(&format!("mod {module};")),
            "{name}"
        );
    }
}
