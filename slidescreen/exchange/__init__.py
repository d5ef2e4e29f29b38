"""A run's results for the laboratory's system: HL7 v2 messages and FHIR bundles. Never as a final result."""
