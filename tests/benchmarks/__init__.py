"""The long measurements: ``python3 launch.py benchmarks [NAME]``. Ratios within one run; nothing is asserted."""
