"""How fast: ``python scripts/benchmark.py output=benchmark.json``; see configs/benchmark.yaml."""

from stance.commands.benchmark import main

if __name__ == "__main__":
    main()
