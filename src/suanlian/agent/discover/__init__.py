"""What is on this machine, and which ``agent.toml`` follows from it?"""
