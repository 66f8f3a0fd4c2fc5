//! What `register` and `forget` say of entries.

use crate::answer::{Forgotten, Registered};
use crate::process::Claim;
use crate::request::{Register, Request};

use super::removals::check_removals;
use super::workers::Workers;
use super::{Facts, Honest, Untrue, named, quoted};

impl Honest for Registered {
    fn check(&self, request: &Request, facts: &Facts) -> Result<(), Untrue> {
        let entry = &self.registered;
        let said = format!("{} was registered", named(&entry.sid, entry.pid));
        let Some(added) = facts.added() else {
            return Err(Untrue::new(said, "no entry was added to the registry"));
        };
        let Claim {
            sid,
            pid,
            created_at,
            sock,
        } = added;
        let same = (sid, *pid, created_at, sock)
            == (&entry.sid, entry.pid, &entry.created_at, &entry.sock);
        if !same {
            let so = format!(
                "the entry that was added is of {}, made at {}, with the socket {}",
                named(sid, *pid),
                quoted(created_at),
                quoted(sock)
            );
            return Err(Untrue::new(said, so));
        }
        if let Request::Register(Register { version, .. }) = request
            && *version != entry.version
        {
            let said = format!("its version is {}", quoted(&entry.version));
            let so = format!("the client said that it is {}", quoted(version));
            return Err(Untrue::new(said, so));
        }
        if let Some(other) = self.replaced.as_ref().filter(|one| one.sid != entry.sid) {
            let said = format!("it took the place of {}", named(&other.sid, other.pid));
            return Err(Untrue::new(said, "that is another session"));
        }
        check_removals(facts, request, self.replaced.iter().chain(&self.removed))
    }
}

impl Honest for Forgotten {
    fn check(&self, request: &Request, facts: &Facts) -> Result<(), Untrue> {
        check_removals(facts, request, &self.forgotten)?;
        let Request::Forget { sid, .. } = request else {
            return Ok(());
        };
        let mut workers = Workers::new(facts, |claim| claim.sid.as_str())?;
        let said = format!("session {} was forgotten", quoted(sid));
        match workers.get(&sid.as_str()) {
            Some(worker) if worker.removed >= worker.entries => Ok(()),
            Some(_) => Err(Untrue::new(said, "its entry is still in the registry")),
            None => Err(Untrue::new(said, "no entry of the registry has this sid")),
        }
    }
}
