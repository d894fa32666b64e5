"""Convert a public corpus to native JSONL; see configs/prepare_data.yaml for the arguments."""

from stance.commands.prepare_data import main

if __name__ == "__main__":
    main()
