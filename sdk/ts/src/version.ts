/** The SDK and its version, as servers are told. */
export const software = "strata-ts/0.1.0";
