// Keeps grpc-js's own lines off standard error. Imported before it, because it looks only once, when it is loaded.
process.env["GRPC_VERBOSITY"] ??= "NONE";
