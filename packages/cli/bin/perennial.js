#!/usr/bin/env node
// The `perennial` command. It stands outside dist/ so that npm can link it before the first build.
import "../dist/src/main.js";
