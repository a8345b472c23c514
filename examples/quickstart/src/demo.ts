// The quickstart: a server and three clients train a small CNN on MNIST; with `--interrupt` they are killed and come back.
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "@perennial-fl/core";
import { serverView } from "perennial-fl";
import { killChildren } from "./child.js";
import { clientIds, finish, serverDirectory, startFederation } from "./federation.js";
import type { ClientSaid, Observers, Plan } from "./federation.js";
import { askedAgain, brokenPromises, interrupt } from "./interruption.js";
import { judge } from "./judge.js";

const began = performance.now();
const common = { clients: 3, alpha: 0.5, seed: 7 } as const;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Trains without a mishap; resolves to the final digest. */
async function train(plan: Plan): Promise<string> {
  const view = serverView(process.stdout, false, process.env);
  const federation = await startFederation(plan, { server: view.show });
  const digest = await finish(federation);
  view.close();
  return digest;
}

/** Trains with a server and a client killed in round 2; resolves to the final digest and what went wrong. */
async function trainInterrupted(plan: Plan): Promise<{ readonly digest: string; readonly broken: readonly string[] }> {
  const view = serverView(process.stdout, false, process.env);
  const observers: Observers = {
    server: view.show,
    client: (id, event) => {
      if (isFromStore(event)) say(`${id} had trained already: it answers from its store`);
    },
  };
  const { federation, seen } = await interrupt(await startFederation(plan, observers), 2, observers, say);
  const digest = await finish(federation);
  view.close();
  const asked = askedAgain(federation.server.events, seen.round);
  say("");
  for (const id of clientIds(plan)) {
    const before = seen.resumed.answered.includes(id)
      ? "had answered"
      : id === seen.killedClient
        ? "was killed"
        : "was training";
    say(`round ${seen.round}: ${id} ${before.padEnd(12)} ${asked.includes(id) ? "asked again" : "not asked again"}`);
  }
  return { digest, broken: brokenPromises(seen, asked) };
}

function isFromStore(event: ClientSaid): boolean {
  return event.type === "answered" && event.question === "fit" && event.fromStore;
}

async function summarise(plan: Plan, digest: string): Promise<void> {
  const { accuracy, parametersSha256 } = await judge(serverDirectory(plan));
  if (parametersSha256 !== digest)
    throw new Error(`latest.onnx holds ${parametersSha256}, and the run ended with ${digest}`);
  say("");
  say(`accuracy ${(accuracy * 100).toFixed(2)} % of the global model on the 10,000 test images`);
  say(`parametersSha256 ${digest}`);
  say(`checkpoints      ${serverDirectory(plan)}: best.onnx, latest.onnx`);
  for (const id of clientIds(plan))
    say(`                 ${join(plan.folder, id)}: local-best, local-latest, global-best, global-latest.onnx`);
  say(`took             ${((performance.now() - began) / 1000).toFixed(1)} s`);
  say(`try next         npx perennial inspect ${serverDirectory(plan)}`);
}

async function demo(folder: string): Promise<number> {
  const plan = { ...common, folder: join(folder, "run"), rounds: 5 };
  await summarise(plan, await train(plan));
  return 0;
}

async function demoResume(folder: string): Promise<number> {
  say("1. an uninterrupted run, for comparison\n");
  const expected = await train({ ...common, folder: join(folder, "uninterrupted"), rounds: 3 });
  say("\n2. the same run, interrupted\n");
  const plan = { ...common, folder: join(folder, "interrupted"), rounds: 3 };
  const { digest, broken } = await trainInterrupted(plan);
  await summarise(plan, digest);
  say("");
  say(`uninterrupted    ${expected}`);
  say(`interrupted      ${digest}`);
  say(digest === expected ? "the two models are equal to the bit" : "error: the two models differ");
  for (const promise of broken) say(`error: ${promise}`);
  return digest === expected && broken.length === 0 ? 0 : 1;
}

try {
  const folder = await mkdtemp(join(tmpdir(), "perennial-demo-"));
  say(`working in ${folder}\n`);
  process.exitCode = await (process.argv.includes("--interrupt") ? demoResume : demo)(folder);
} catch (error) {
  say(`error: ${messageOf(error)}`);
  process.exitCode = 1;
} finally {
  killChildren();
}
