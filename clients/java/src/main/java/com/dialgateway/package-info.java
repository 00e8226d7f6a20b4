/**
 * Client of the dial gateway: send dial requests, and read one answer for each client token.
 *
 * <p>Start with {@link com.dialgateway.DialGateway}. No value and no exception of this package
 * shows a phone number or an attribute as text.
 *
 * <p>Parameters and results are never null, except where they are annotated as nullable.
 */
@NullMarked
package com.dialgateway;

import org.jspecify.annotations.NullMarked;
