// What programs around the `perennial` command import: the types of an app file, its events and its exit codes.
export type { App, AppArguments } from "./app.js";
export type { AppData, DataApp, DataAppArguments } from "./data/app.js";
export { exitCodeOf, exitCodes } from "./exit-codes.js";
export type { ExitCode } from "./exit-codes.js";
export type { CommandEvent } from "./json-lines.js";
export { runCommand } from "./run-command.js";
export type { EpochScore, TrainEvent } from "./train/events.js";
export { serverView } from "./view.js";
export type { Output, View } from "./view.js";
export type { ClientEvent } from "@perennial-fl/client";
export type { ServerEvent } from "@perennial-fl/server";
