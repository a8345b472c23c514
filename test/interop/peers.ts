// Suites with peers in Python: stock ones where flwr is installed, else our own where grpcio is, else skipped aloud.
import { interpreters, pythonWith, startPeer, versionOf } from "./python.js";
import type { Peer } from "./python.js";

/** What a case needs: a stock server, clients of whatever kind, our own clients, or nothing but Python itself. */
export type Need = "stock" | "clients" | "own" | "python";

export interface Peers {
  /** Starts a client: see `peers/behaviour.py` for its options. */
  readonly client: (...args: string[]) => Peer;
  /** Starts a script of `peers/`. */
  readonly start: (script: string, ...args: string[]) => Peer;
  /** Of the flwr that is used, if it is. */
  readonly flower: string | undefined;
}

const among = interpreters("PERENNIAL_PYTHON");
const kinds = {
  stock: { packages: ["flwr", "numpy"], script: "stock_client.py" },
  own: { packages: ["grpc", "google.protobuf", "numpy"], script: "own_client.py" },
  python: { packages: ["json"], script: "rubbish.py" },
} as const;

const found = Object.fromEntries(
  Object.entries(kinds).map(([kind, { packages }]) => [kind, pythonWith(packages, among)]),
) as Readonly<Record<keyof typeof kinds, string | undefined>>;
const flower = found.stock && versionOf(found.stock, "flwr");

/** Cases that need peers of a kind. Every peer that they start is killed after its case. */
export function describeWithPeers(title: string, need: Need, cases: (this: Mocha.Suite, peers: Peers) => void): void {
  const kind = need === "clients" ? (found.stock === undefined ? "own" : "stock") : need;
  const python = found[kind];
  if (python === undefined) {
    const { packages } = kinds[kind];
    console.log(`skipped: ${title}, because none of ${among.join(", ")} has ${packages.join(" and ")}`);
    describe.skip(title, () => {
      it("cannot run here");
    });
    return;
  }
  const named = { stock: `flwr ${flower ?? ""}`, own: "our own Python client", python: "Python" }[kind];
  describe(`${title} [${named}]`, function () {
    this.timeout(240_000);
    const started: Peer[] = [];
    const start = (script: string, ...args: string[]): Peer => {
      const peer = startPeer(python, script, ...args);
      started.push(peer);
      return peer;
    };
    afterEach(() => {
      for (const peer of started.splice(0)) peer.kill();
    });
    cases.call(this, {
      start,
      client: (...args) => start(kinds[kind].script, ...args),
      flower: kind === "stock" ? flower : undefined,
    });
  });
}
