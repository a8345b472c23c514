#!/usr/bin/env node
// The `perennial` command.
import "./quiet-grpc.js";
import { surviveBrokenPipes } from "./broken-pipe.js";
import { runCommand } from "./run-command.js";

surviveBrokenPipes([process.stdout, process.stderr]);
process.exitCode = await runCommand(process.argv.slice(2));
