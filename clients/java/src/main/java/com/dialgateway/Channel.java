package com.dialgateway;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * How a person is contacted, and the settings for that.
 *
 * <p>Only campaigns of Amazon Connect's API V2 have channels; a gateway answers {@link
 * Outcome#REJECTED} for a campaign of V1. What is null is as the campaign says. The text of a
 * channel shows none of its values.
 */
public sealed interface Channel {

  /**
   * A telephone call with settings of its own.
   *
   * @param sourcePhoneNumber the number that the call comes from, in E.164. It belongs to the
   *     Amazon Connect instance
   * @param ringTimeout how long the phone rings: 15 to 60 whole seconds
   * @param answerMachineDetection whether Amazon Connect finds out if a machine answers
   */
  record Telephony(
      @Nullable String sourcePhoneNumber,
      @Nullable Duration ringTimeout,
      @Nullable AnswerMachineDetection answerMachineDetection)
      implements Channel {
    /**
     * Makes a channel.
     *
     * @param sourcePhoneNumber the number that the call comes from
     * @param ringTimeout how long the phone rings
     * @param answerMachineDetection whether Amazon Connect finds out if a machine answers
     * @throws IllegalArgumentException if a text is not valid Unicode
     */
    public Telephony {
      Text.requireIfSet("sourcePhoneNumber", sourcePhoneNumber);
    }

    @Override
    public String toString() {
      return "Telephony[]";
    }
  }

  /**
   * Whether Amazon Connect finds out if an answering machine answers a call.
   *
   * @param enabled whether it does
   * @param awaitPrompt whether it then waits until the machine's announcement has ended
   */
  record AnswerMachineDetection(boolean enabled, @Nullable Boolean awaitPrompt) {}

  /**
   * An SMS to the request's phone number; the attributes are the parameters of its template.
   *
   * @param sourcePhoneNumberArn ARN of the phone number that it comes from
   * @param templateArn ARN of the message template
   */
  record Sms(@Nullable String sourcePhoneNumberArn, @Nullable String templateArn)
      implements Channel {
    /**
     * Makes a channel.
     *
     * @param sourcePhoneNumberArn ARN of the phone number that it comes from
     * @param templateArn ARN of the message template
     * @throws IllegalArgumentException if a text is not valid Unicode
     */
    public Sms {
      Text.requireIfSet("sourcePhoneNumberArn", sourcePhoneNumberArn);
      Text.requireIfSet("templateArn", templateArn);
    }

    @Override
    public String toString() {
      return "Sms[]";
    }
  }

  /**
   * A WhatsApp message to the request's phone number; the attributes are the parameters of its
   * template.
   *
   * @param sourcePhoneNumberArn ARN of the WhatsApp phone number that it comes from
   * @param templateArn ARN of the message template
   */
  record WhatsApp(@Nullable String sourcePhoneNumberArn, @Nullable String templateArn)
      implements Channel {
    /**
     * Makes a channel.
     *
     * @param sourcePhoneNumberArn ARN of the WhatsApp phone number that it comes from
     * @param templateArn ARN of the message template
     * @throws IllegalArgumentException if a text is not valid Unicode
     */
    public WhatsApp {
      Text.requireIfSet("sourcePhoneNumberArn", sourcePhoneNumberArn);
      Text.requireIfSet("templateArn", templateArn);
    }

    @Override
    public String toString() {
      return "WhatsApp[]";
    }
  }

  /**
   * An e-mail; the attributes are the parameters of its template. Its request has an empty phone
   * number.
   *
   * @param destinationAddress whom to send it to
   * @param sourceAddress the address that it comes from
   * @param templateArn ARN of the message template
   */
  record Email(
      String destinationAddress, @Nullable String sourceAddress, @Nullable String templateArn)
      implements Channel {
    /**
     * Makes a channel.
     *
     * @param destinationAddress whom to send it to
     * @param sourceAddress the address that it comes from
     * @param templateArn ARN of the message template
     * @throws IllegalArgumentException if a text is not valid Unicode
     */
    public Email {
      Text.require("destinationAddress", destinationAddress);
      Text.requireIfSet("sourceAddress", sourceAddress);
      Text.requireIfSet("templateArn", templateArn);
    }

    @Override
    public String toString() {
      return "Email[]";
    }
  }
}
