//! Making a plan, with names that nothing has.

use std::time::SystemTime;

use crate::store::{Facts, PoolDir};

use super::date;
use super::files::{DAMAGED, DRAFT};
use super::plan::{Aside, Step};

/// The steps of a plan, with names that nothing has.
pub(super) struct Steps<'a> {
    pool: Option<&'a PoolDir>,
    date: String,
    steps: Vec<Step>,
}

impl<'a> Steps<'a> {
    /// None yet.
    pub(super) fn new(pool: Option<&'a PoolDir>) -> Self {
        Self {
            pool,
            date: date::for_names(SystemTime::now()),
            steps: Vec::new(),
        }
    }

    /// All that were added.
    pub(super) fn done(self) -> Vec<Step> {
        self.steps
    }

    /// Adds a step.
    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Adds the step that gives a file another name.
    pub(super) fn put_aside(&mut self, name: &str, facts: Facts, kind: &str) {
        let aside = self.free_name(name, kind);
        self.push(Step::PutAside {
            name: name.to_owned(),
            facts,
            aside,
        });
    }

    /// The names of a damaged file that is to be replaced.
    pub(super) fn aside(&self, name: &str) -> Aside {
        Aside {
            draft: self.free_name(name, DRAFT),
            name: self.free_name(name, DAMAGED),
        }
    }

    /// The name with the kind and the date behind it, and a number if that is taken.
    fn free_name(&self, name: &str, kind: &str) -> String {
        let dated = format!("{name}{kind}{}", self.date);
        let is_free = |name: &String| {
            self.pool
                .is_none_or(|pool| matches!(pool.facts_at(name), Ok(None)))
        };
        if is_free(&dated) {
            return dated;
        }
        let numbered = (2..1000).map(|number| format!("{dated}-{number}"));
        numbered.into_iter().find(is_free).unwrap_or(dated)
    }
}
