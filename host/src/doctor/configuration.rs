//! The configuration that counts for a pool, and the policy that it names.

use std::path::Path;

use crate::config::PolicyConfig;
use crate::error::chain;
use crate::runtime::PolicyLoader;

use super::Doctor;
use super::report::{About, ConfigurationState, PolicyState, Problem, State};

impl Doctor {
    /// Looks at both. What is in the policy's file is compared and not run.
    pub(super) fn configuration_state(&self) -> ConfigurationState {
        match &self.configuration {
            Ok(config) => ConfigurationState {
                state: match config.source {
                    Some(_) => State::Healthy,
                    None => State::Absent,
                },
                file: config.source.clone(),
                detail: None,
                policy: config.policy.as_ref().map(policy_state),
            },
            Err(why) => ConfigurationState {
                state: State::Damaged,
                file: None,
                detail: Some(why.clone()),
                policy: None,
            },
        }
    }
}

fn policy_state(policy: &PolicyConfig) -> PolicyState {
    let mut loader = PolicyLoader::new();
    if let Some(sha256) = &policy.sha256 {
        loader = loader.pin(sha256);
    }
    let looked_at = loader.look(&policy.path);
    PolicyState {
        path: policy.path.clone(),
        state: match looked_at {
            Ok(_) => State::Healthy,
            Err(_) => State::Unusable,
        },
        detail: looked_at.as_ref().err().map(|error| chain(error)),
        sha256: looked_at.ok(),
    }
}

/// What is wrong with them.
pub(super) fn problem(found: &ConfigurationState) -> Option<Problem> {
    if let Some(detail) = &found.detail {
        return Some(Problem {
            about: About::Configuration,
            what: detail.clone(),
            remedy: "no request is carried out until it is corrected".into(),
            repairable: false,
        });
    }
    let policy = found.policy.as_ref()?;
    let file = found
        .file
        .as_deref()
        .unwrap_or_else(|| Path::new("the configuration"));
    Some(Problem {
        about: About::Policy,
        what: format!(
            "the policy {} cannot be used: {}",
            policy.path.display(),
            policy.detail.as_ref()?
        ),
        remedy: format!(
            "no request is carried out until that file is what {} says, or that names another; \
             without a [policy] there the shipped one decides",
            file.display()
        ),
        repairable: false,
    })
}

/// What is worth knowing where another policy than the shipped one decides.
pub(super) fn note(found: &ConfigurationState) -> Option<String> {
    let path = &found.policy.as_ref()?.path;
    Some(format!(
        "what ensure and stop would do with an entry is said of the shipped policy; here {} \
         decides",
        path.display()
    ))
}
