"""What several tests share: `from helpers.gan_runs import train`. tests/README.md lists the modules."""
