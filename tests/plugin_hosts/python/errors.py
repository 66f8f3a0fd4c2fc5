"""What a call of the policy to this host can end in, case for case as in `wit/types.wit`."""


class HostError(Exception):
    """A call that was not carried out. `case` names the WIT case, the text says why."""

    def __init__(self, case: str, text: str):
        super().__init__(text)
        self.case = case


def denied(grant: str) -> HostError:
    """The operator did not grant this."""
    return HostError("denied", f"the policy has no grant `{grant}`")


def refused(text: str) -> HostError:
    """The host's own rules forbid it, whatever the policy's reasons."""
    return HostError("refused", text)


def misuse(text: str) -> HostError:
    """The call came in a state that does not allow it."""
    return HostError("misuse", text)


def system(error: OSError) -> HostError:
    """The system refused a call on a file or a process."""
    return HostError("system", str(error))
