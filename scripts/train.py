"""Train a stance model; see configs/train.yaml for the arguments."""

from stance.commands.train import main

if __name__ == "__main__":
    main()
