// This policy's own rule: an end to version skew. To change the policy, change this.
//
// What is not decided here is as in the shipped policy.

export const name = "version-skew";

/** Each setting that the rule reads, with what it does, its unit and its default. */
export const settings = [
  { name: "version", description: "the version that workers have to have; without it, any" },
];

/** Made for each request from the operator's settings. */
export class Rule {
  /** `setting` gives the text of a setting, or undefined. */
  constructor(setting) {
    this.version = setting("version");
  }

  /**
   * At `ensure`: who is to be sent SIGTERM, each with the reason why.
   *
   * `running` are the workers that are proven to run and were not asked to end before, so
   * that each is asked once; a `finding` is what `wit/types.wit` says. `now` is in seconds since
   * 1970.
   */
  dismiss(running, _now) {
    if (this.version === undefined) return [];
    return running
      .filter(({ entry }) => entry.version !== this.version)
      .map((worker) => [worker, `its version is not ${this.version}`]);
  }
}
