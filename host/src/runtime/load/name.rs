//! Names of interfaces, and which versions go together.

/// The name of an interface as a component writes it: `wasi:cli/exit@0.2.6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceName<'a> {
    /// Without the version: `wasi:cli/exit`.
    pub(crate) interface: &'a str,
    /// The version, where there is one.
    pub(crate) version: Option<&'a str>,
}

impl<'a> InterfaceName<'a> {
    /// Reads a name; none when it names no interface.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let (interface, version) = match name.split_once('@') {
            Some((interface, version)) => (interface, Some(version)),
            None => (name, None),
        };
        let (package, interface_only) = interface.split_once('/')?;
        let complete = package.contains(':') && !interface_only.is_empty();
        complete.then_some(Self { interface, version })
    }

    /// The package, `wasi:cli`.
    pub(crate) fn package(&self) -> &'a str {
        self.interface
            .split_once('/')
            .map_or(self.interface, |(package, _)| package)
    }

    /// Whether whoever asks for this gets what is defined in that version.
    pub(crate) fn fits(&self, version: &str) -> bool {
        self.version.is_some_and(|found| {
            found == version || track(found).is_some_and(|t| track(version) == Some(t))
        })
    }
}

/// What versions that can stand in for each other have in common, as the runtime's linker
/// sees it: the first number that is not zero and what is before it. A version that was not
/// released (`0.2.0-rc.1`) and one of the form `0.0.z` stands for itself alone.
fn track(version: &str) -> Option<(u64, u64)> {
    let mut numbers = version.split('.').map(str::parse::<u64>);
    match (
        numbers.next(),
        numbers.next(),
        numbers.next(),
        numbers.next(),
    ) {
        (Some(Ok(major)), Some(Ok(_)), Some(Ok(_)), None) if major > 0 => Some((major, 0)),
        (Some(Ok(0)), Some(Ok(minor)), Some(Ok(_)), None) if minor > 0 => Some((0, minor)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(name: &str, version: &str) -> bool {
        InterfaceName::parse(name).expect("a name").fits(version)
    }

    #[test]
    fn a_name_has_a_package_and_a_version() {
        let name = InterfaceName::parse("wasi:cli/exit@0.2.6").expect("a name");
        assert_eq!(name.interface, "wasi:cli/exit");
        assert_eq!(name.package(), "wasi:cli");
        assert_eq!(name.version, Some("0.2.6"));
        for other in ["run", "a/b", "wasi:cli/", "wasi:cli"] {
            assert_eq!(InterfaceName::parse(other), None, "{other}");
        }
    }

    #[test]
    fn versions_of_one_track_stand_in_for_each_other() {
        assert!(fits("a:b/c@0.2.12", "0.2.0"));
        assert!(fits("a:b/c@1.9.0", "1.2.3"));
        assert!(!fits("a:b/c@0.3.0", "0.2.0"));
        assert!(!fits("a:b/c@2.0.0", "1.0.0"));
        assert!(!fits("a:b/c", "0.2.0"));
    }

    #[test]
    fn what_was_not_released_stands_for_itself() {
        assert!(fits("a:b/c@0.2.0-rc.1", "0.2.0-rc.1"));
        assert!(!fits("a:b/c@0.2.0-rc.1", "0.2.0"));
        assert!(!fits("a:b/c@0.2.0", "0.2.0-rc.1"));
        assert!(!fits("a:b/c@0.0.1", "0.0.2"));
    }
}
