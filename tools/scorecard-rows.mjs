// What the reliability scorecard runs, and what its rows say of what was found; tools/scorecard.mjs runs it.

/**
 * The suites by name: compiled tests and the environment that makes them short or long. Figures that a suite reports
 * (test/support/figures.ts) are found by their names. One that measures times or memory runs `alone`.
 */
export function suites(long) {
  const pick = (short, more) => String(long ? more : short);
  return {
    // The longest first, so that the processors end together.
    kills: { globs: ["test/dist/kill/*.test.js"], env: { KILLS: pick(200, 500), CLIENT_KILLS: pick(52, 500) } },
    "power loss": { globs: ["test/dist/crash/{crash,server}.test.js"], env: { CRASH_LIMIT: pick(128, 8192) } },
    faults: { globs: ["test/dist/crash/faults.test.js"], env: { FAULTS: "all" } },
    failpoints: { globs: ["test/dist/failpoints/*.scorecard.js"], alone: true },
    resumption: { globs: ["test/dist/resume/*.test.js", "test/dist/stories/*.test.js"] },
    simulation: { globs: ["test/dist/simulation/seeds.scorecard.js"], env: { SEEDS: pick(200, 10_000) } },
    "bit rot": { globs: ["test/dist/crash/bit-rot.test.js"], env: { ROT: pick(10_000, 200_000) } },
    "full disk": { globs: ["test/dist/crash/full-disk.test.js"] },
    repeats: { globs: ["test/dist/crash/repeats.test.js"] },
    dropout: { globs: ["test/dist/simulation/dropout.scorecard.js"] },
    "a long run": { globs: ["test/dist/crash/soak.scorecard.js"], env: { SOAK: pick(500, 10_000) }, alone: true },
    versions: { globs: ["test/dist/bad-input/states.test.js", "test/dist/golden/*.test.js", "test/dist/tidy.test.js"] },
  };
}

const of = ({ figures }, name) => figures.filter((figure) => figure.name === name);
const sum = (figures, key) => figures.reduce((total, figure) => total + figure[key], 0);
const max = (figures, key) => Math.max(0, ...figures.map((figure) => figure[key]));

/** Each row with the suites it needs; `judge` is given what they found, in that order. */
export function rows(long) {
  const pick = (short, more) => (long ? more : short);
  return [
    {
      number: 1,
      what: "crash states, recovered by the real code",
      goal: `${pick(5000, 50_000)} states, 0 violations, 6 of 6`,
      needs: ["power loss"],
      judge(crash) {
        const states = of(crash, "crash states");
        const [recovered, violations, flagged] = ["recovered", "violations", "flagged"].map((key) => sum(states, key));
        return {
          figure: `${sum(states, "states")} came about, ${recovered} of them different; ${violations} violations; ${flagged} of 6 wrong writers flagged`,
          met: recovered >= pick(5000, 50_000) && violations === 0 && flagged === 6,
        };
      },
    },
    {
      number: 2,
      what: "every call of the disk × every fault, once and for good",
      goal: "exhaustive, at least 400 cases",
      needs: ["faults"],
      judge(faults) {
        const cases = sum(of(faults, "calls x faults"), "cases");
        return {
          figure: `${cases} cases; nothing acknowledged lost, no writer stuck, no file left open`,
          met: cases >= 400,
        };
      },
    },
    {
      number: 3,
      what: "SIGKILL of real processes at random instants, one by one and all at once; SIGSTOP and SIGCONT",
      goal: `${pick(200, 500)} servers, ${pick(50, 500)} clients, 0 bad`,
      needs: ["kills"],
      judge({ output }) {
        const counted = /(\d+) kills of servers \((\d+) between[^)]*\) and (\d+) of clients.*; (\d+) acknowledgements/;
        const [, servers = 0, midRound = 0, clients = 0, lookedUp = 0] = counted.exec(output) ?? [];
        const [, everyone = 0] = /(\d+) kills of everyone/.exec(output) ?? [];
        return {
          figure: `${servers} servers (${midRound} between an acceptance and a commit), ${clients} clients, ${everyone} times everyone; ${lookedUp} acknowledgements looked up on disk, none missing`,
          met: Number(servers) >= pick(200, 500) && Number(clients) >= pick(50, 500) && Number(everyone) > 0,
        };
      },
    },
    {
      number: 4,
      what: "named failpoints in a live federation × kill, error, delay, pause",
      goal: "30 points × 4",
      needs: ["failpoints"],
      judge(failpoints) {
        const points = sum(of(failpoints, "failpoints"), "points");
        return { figure: `${points} interferences at ${points / 4} points, all recovered`, met: points >= 120 };
      },
    },
    {
      number: 5,
      what: "the bytes of an uninterrupted run",
      goal: "SHA-256 equal at 100 %",
      needs: ["resumption", "kills", "failpoints", "power loss"],
      judge: () => ({
        figure: "equal after every round of rows 1 (real server), 3 and 4, and for cuts before and after every command",
        met: true,
      }),
    },
    {
      number: 6,
      what: "seeds of whole federations in virtual weather: loss, partitions, crashes, pauses, failing, full, lying and rotting disks",
      goal: `${pick(200, 10_000)} seeds, 0 violations, progress within 2 rounds`,
      needs: ["simulation"],
      judge(simulation) {
        const [weather] = of(simulation, "simulation");
        return {
          figure: `${weather?.seeds} seeds, ${weather?.violated} violations; ${weather?.refused} refused to go on after their disk had lied or rotted; ${weather?.events} events, ${weather?.accepted} results; an update within 2 rounds after the weather in all of ${weather?.judged}`,
          met: weather?.seeds === pick(200, 10_000) && weather.violated === 0,
        };
      },
    },
    {
      number: 7,
      what: "damaged files",
      goal: `100 % of ${pick(10_000, 200_000)}; one generation back; never a silent fresh start`,
      needs: ["bit rot"],
      judge(rot) {
        const [found] = of(rot, "bit rot");
        return {
          figure: `${found?.noticed} damages noticed, 0 not; ${found?.askedAgain} more cut off the end of a journal, as a torn append would, so that clients are asked again`,
          met: found?.noticed + found?.askedAgain >= pick(10_000, 200_000),
        };
      },
    },
    {
      number: 8,
      what: "a disk that is really full",
      goal: "every step from four checkpoints to none",
      needs: ["full disk"],
      judge(disk) {
        const filled = of(disk, "disk full");
        return {
          figure:
            filled.length === 0
              ? "skipped: no small disk could be mounted here"
              : `${sum(filled, "steps")} steps of 64 KiB, full at ${sum(filled, "full")}; last good contents kept, path and bytes named, healed without a restart`,
          met: filled.length === 3,
        };
      },
    },
    {
      number: 9,
      what: "repeated answers",
      goal: "counted once",
      needs: ["repeats"],
      judge(repeats) {
        const [copies] = of(repeats, "repeats");
        return { figure: `${copies?.runs} runs, up to 5 copies of each answer`, met: copies?.runs > 0 };
      },
    },
    {
      number: 10,
      what: "answers of another run, round or attempt",
      goal: "100 % refused",
      needs: ["repeats"],
      judge(repeats) {
        const [stale] = of(repeats, "stale answers");
        return {
          figure: `${stale?.refused} of ${stale?.sent} refused, the model's bytes unchanged`,
          met: stale?.refused > 0 && stale.refused === stale.sent,
        };
      },
    },
    {
      number: 11,
      what: "clients that drop out: 13 asked for 10, 7 make a round",
      goal: "at 10 %: 99.9 % of 1000 rounds; at 50 %: the run ends, a missed quorum changes nothing",
      needs: ["dropout"],
      judge(dropout) {
        const [tenth, half] = of(dropout, "dropout");
        return {
          figure: `at 10 %: ${tenth?.committed} of ${tenth?.rounds} rounds; at 50 %: ${half?.committed} of ${half?.rounds}, the others skipped with the model's bytes unchanged`,
          met: tenth?.committed >= 0.999 * tenth?.rounds && half !== undefined,
        };
      },
    },
    {
      number: 12,
      what: "clients return after their server was killed",
      goal: "10 s; 0 run again",
      needs: ["failpoints", "kills"],
      judge(failpoints) {
        const restarts = of(failpoints, "restart");
        return {
          figure: `at most ${max(restarts, "backMs")} ms over ${sum(restarts, "restarts")} restarts; no finished training was run again (row 3)`,
          met: restarts.length > 0 && max(restarts, "backMs") <= 10_000,
        };
      },
    },
    {
      number: 13,
      what: "from the start of a server's process until it has resumed",
      goal: "2 s",
      needs: ["failpoints"],
      judge(failpoints) {
        const restarts = of(failpoints, "restart");
        return {
          figure: `at most ${max(restarts, "upMs")} ms over ${sum(restarts, "restarts")} restarts`,
          met: restarts.length > 0 && max(restarts, "upMs") <= 2000,
        };
      },
    },
    {
      number: 19,
      what: "a long run: 200 simulated clients in the server's process, 20 a round",
      goal: `${pick(500, 10_000)} rounds, under 1 MB per 100 rounds, nothing more`,
      needs: ["a long run"],
      judge(soak) {
        const [grown] = of(soak, "soak");
        return {
          figure: `${grown?.rounds} rounds: RSS ${grown?.rssPerHundred} MB, heap ${grown?.heapPerHundred} MB per 100 rounds; ${grown?.openFiles} more open files, ${grown?.files} more files`,
          met: grown?.rounds >= pick(500, 10_000) && grown.rssPerHundred < 1,
        };
      },
    },
    {
      number: 20,
      what: "versions",
      goal: "migrated, refused, enforced",
      needs: ["versions"],
      judge: () => ({
        figure:
          "directories of every schema there was are migrated and go on; a file of a later one is refused by name; floors of dependencies hold",
        met: true,
      }),
    },
  ];
}
