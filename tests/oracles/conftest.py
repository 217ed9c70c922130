"""What is beside the tests and no test itself."""

collect_ignore = ["against_vllm.py"]  # imports vLLM, which is not among our requirements
