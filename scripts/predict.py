"""Predict who stands where; see configs/predict.yaml for the arguments."""

from stance.commands.predict import main

if __name__ == "__main__":
    main()
