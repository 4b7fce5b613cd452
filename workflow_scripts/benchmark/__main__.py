"""Starts the benchmark with one thread: numpy fixes its number of threads when it is loaded."""

import importlib
import os
import sys

os.environ["OPENBLAS_NUM_THREADS"] = "1"
sys.exit(importlib.import_module("workflow_scripts.benchmark.command").main())
