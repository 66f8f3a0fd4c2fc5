// Makes a component of a policy.
//
//     node build.js POLICY.js WIT-FOLDER OUT.wasm

import { writeFile } from "node:fs/promises";

import { componentize } from "@bytecodealliance/componentize-js";

const [sourcePath, witPath, out] = process.argv.slice(2);
const { component } = await componentize({
  sourcePath,
  witPath,
  worldName: "policy",
  // What the engine offers and no policy needs. (Without "clocks" the policy has none either:
  // `wasi:clocks` is cut off as a whole.) Errors of the engine go to standard error,
  // which the host writes into its log.
  disableFeatures: ["http", "fetch-event", "random"],
});
await writeFile(out, component);
