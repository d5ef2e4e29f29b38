"""A run's results for the laboratory's system: HL7 v2 messages and FHIR bundles. No result is ever final."""
