//! `describe`: what the policy says about itself.

use crate::answer::POOL_VERSION;
use crate::export::Description;

/// Describes the policy. It reads no settings of its own.
pub fn describe() -> Description {
    Description {
        name: "default".to_owned(),
        version: POOL_VERSION.to_owned(),
        settings: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_policy_is_the_default_one_and_reads_no_settings() {
        let description = describe();
        assert_eq!(description.name, "default");
        assert_eq!(description.version, env!("CARGO_PKG_VERSION"));
        assert!(description.settings.is_empty());
    }
}
