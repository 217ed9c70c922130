"""What several tests share: models of toys, cases, scenario files, strategies that draw fleets and requests."""
