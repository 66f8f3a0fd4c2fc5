// What a call of the policy to this host can end in, case for case as in `wit/types.wit`.

/** A call that was not carried out. jco passes `payload` to the policy. */
export class HostError extends Error {
  constructor(tag, text) {
    super(text);
    this.payload = { tag, val: text };
  }
}

/** The operator did not grant this. */
export const denied = (grant) => new HostError("denied", `the policy has no grant \`${grant}\``);

/** The host's own rules forbid it, whatever the policy's reasons. */
export const refused = (text) => new HostError("refused", text);

/** The call came in a state that does not allow it. */
export const misuse = (text) => new HostError("misuse", text);

/** The system refused a call on a file or a process. */
export const system = (error) => new HostError("system", error.message);
