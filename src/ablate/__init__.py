"""Ablation studies on Tiny ImageNet and CIFAR-10, from the archives to the tables."""
