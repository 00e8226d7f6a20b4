/** The program of the conformance tests. It uses only the public API of the client. */
package com.dialgateway.conformance;
