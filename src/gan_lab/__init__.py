"""gan_lab: compare GAN objectives, Lipschitz penalties and optimizers.

The parts (`losses`, `penalties`, `optim`, `architectures`, `data`) work on their own in any
PyTorch program; `training` and `callbacks` join them under Lightning, `config` under Hydra.
"""
