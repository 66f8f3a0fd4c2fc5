// Turns a component into JavaScript and core WebAssembly, as `jco transpile` does.
//
//     node transpile.js COMPONENT.wasm FOLDER NAME
//
// Writes FOLDER/NAME.js, whose function `instantiate` takes the imports.

import { transpile, writeFiles } from "@bytecodealliance/jco-transpile";

const [component, outDir, name] = process.argv.slice(2);
const options = {
  name,
  outDir,
  // Each request is an instance of its own, with imports of its own.
  instantiation: "async",
  // A failure of the policy is thrown as an Error, as by the code that `jco transpile` makes.
  noComponentErrorWrapping: false,
  emitTypescriptDeclarations: false,
};
const { files } = await transpile(component, options);
await writeFiles(files);
