//! What the operator set for a policy, read with care: a setting that is not understood is
//! an error that says so, never a default.

use std::str::FromStr;
use std::time::Duration;

use crate::host::{Configuration, Failure};

/// The settings of a policy, by name. Each is text, as the operator wrote it.
#[derive(Clone, Copy)]
pub struct Settings<'a>(&'a dyn Configuration);

impl<'a> Settings<'a> {
    /// The settings that this host gives.
    pub fn of(host: &'a impl Configuration) -> Self {
        Self(host)
    }

    /// A setting's text; none where it was not given.
    ///
    /// # Errors
    /// The host's, when it cannot look settings up.
    pub fn text(&self, name: &str) -> Result<Option<String>, Failure> {
        Ok(self.0.setting(name)?)
    }

    /// A setting as a value of any type that can be read from text, such as a number.
    ///
    /// # Errors
    /// A rejection that quotes the setting and says what `wanted` is; the host's.
    pub fn parse<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, Failure> {
        let read = |text: String| text.trim().parse().map_err(|_| odd(name, &text, wanted));
        self.text(name)?.map(read).transpose()
    }

    /// A setting as a length of time, such as `90s`, `15m` or `1h 30m`.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn duration(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let read = |text: String| {
            humantime::parse_duration(text.trim())
                .map_err(|_| odd(name, &text, "a length of time such as 90s, 15m or 8h"))
        };
        self.text(name)?.map(read).transpose()
    }
}

fn odd(name: &str, text: &str, wanted: &str) -> Failure {
    Failure::Rejected(format!(
        "the setting {name} is {text:?}, which is not {wanted}; correct it or leave it out"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Error;
    use crate::testing::FakeHost;

    fn host(text: &str) -> FakeHost {
        FakeHost::absent().with_setting("limit", text)
    }

    fn odd<T>(result: Result<T, Failure>) -> String {
        match result {
            Err(Failure::Rejected(why)) => why,
            Err(other) => panic!("not a rejection: {other:?}"),
            Ok(_) => panic!("it was understood"),
        }
    }

    #[test]
    fn a_setting_is_read_as_what_it_should_be() {
        let (hours, number) = (host(" 8h "), host("10"));
        let duration = Settings::of(&hours).duration("limit").expect("a duration");
        assert_eq!(duration, Some(Duration::from_secs(8 * 3600)));
        let number = Settings::of(&number).parse::<usize>("limit", "a number");
        assert_eq!(number.expect("a number"), Some(10));
        let text = Settings::of(&hours).text("limit").expect("a text");
        assert_eq!(text.as_deref(), Some(" 8h "));
    }

    #[test]
    fn a_setting_that_was_not_given_is_none() {
        let host = FakeHost::absent();
        let settings = Settings::of(&host);
        assert_eq!(settings.duration("limit").expect("none is fine"), None);
        let number = settings.parse::<usize>("limit", "a number");
        assert_eq!(number.expect("none is fine"), None);
    }

    #[test]
    fn a_setting_that_is_not_understood_is_quoted() {
        let host = host("soon");
        let why = odd(Settings::of(&host).duration("limit"));
        assert!(why.contains("limit is \"soon\""), "{why}");
        assert!(why.contains("8h"), "{why}");
        let why = odd(Settings::of(&host).parse::<usize>("limit", "a number"));
        assert!(why.contains("not a number"), "{why}");
    }

    #[test]
    fn a_host_that_cannot_look_is_passed_on() {
        let mut host = host("8h");
        let error = Error::System("x".into());
        host.failures.insert(("setting", 0), error);
        let result = Settings::of(&host).duration("limit");
        assert!(matches!(result, Err(Failure::Host(Error::System(_)))));
    }
}
