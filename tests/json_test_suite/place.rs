//! Where a file of the suite stands in a registry.

/// A place in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The file is the registry.
    Whole,
    /// It is the value of an unknown field beside the sessions.
    AtTheTop,
    /// It is the value of an unknown field in the entry of a worker.
    InAnEntry,
}

impl Place {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Whole, Self::AtTheTop, Self::InAnEntry];

    /// The registry with this file in it, cut in two behind the last entry. `entry` is the
    /// text of an entry.
    ///
    /// Behind the file stand only brackets. So what is broken in it stays broken: no quotation
    /// mark follows that could end a string, and no field.
    pub(crate) fn registry(self, file: &[u8], entry: &str) -> (Vec<u8>, Vec<u8>) {
        let fields = entry.strip_suffix('}').expect("an entry is an object");
        let texts: [&[u8]; 4] = match self {
            Self::Whole => [file, b"", b"", b""],
            Self::AtTheTop => [
                &[b"{\"sessions\":[\n", entry.as_bytes()].concat(),
                b"\n], \"x\": ",
                file,
                b"\n}\n",
            ],
            Self::InAnEntry => [
                &[b"{\"sessions\":[\n", fields.as_bytes(), b", \"x\": "].concat(),
                file,
                b" }",
                b"\n]}\n",
            ],
        };
        let behind = match self {
            Self::AtTheTop => 1,
            Self::Whole | Self::InAnEntry => 3,
        };
        (texts[..behind].concat(), texts[behind..].concat())
    }
}
