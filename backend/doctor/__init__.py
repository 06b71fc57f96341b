"""What an operator asks when something does not work: `./startup.sh doctor`, of the backend."""
