// `npm run science`: published results that a correct engine reproduces, measured and set beside what was published.
import { fedAvgTable1 } from "./fedavg-table-1.js";
import { fedProxOrdering } from "./fedprox-ordering.js";
import { describeFinding } from "./finding.js";

let differing = 0;
for (const experiment of [fedProxOrdering, fedAvgTable1]) {
  const began = performance.now();
  for (const finding of await experiment()) {
    if (!finding.within) differing++;
    console.log(describeFinding(finding));
  }
  console.log(`           took ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
}
process.exitCode = differing > 0 ? 1 : 0;
