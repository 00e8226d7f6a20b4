package com.dialgateway;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/** Writes the channel of a dial request into its message. */
final class ChannelWire {
  private ChannelWire() {}

  static void set(com.dialgateway.v1.DialRequest.Builder message, @Nullable Channel channel) {
    if (channel instanceof Channel.Telephony call) {
      message.setTelephony(telephony(call));
    } else if (channel instanceof Channel.Sms sms) {
      message
          .getSmsBuilder()
          .setSourcePhoneNumberArn(text(sms.sourcePhoneNumberArn()))
          .setTemplateArn(text(sms.templateArn()));
    } else if (channel instanceof Channel.WhatsApp whatsApp) {
      message
          .getWhatsAppBuilder()
          .setSourcePhoneNumberArn(text(whatsApp.sourcePhoneNumberArn()))
          .setTemplateArn(text(whatsApp.templateArn()));
    } else if (channel instanceof Channel.Email email) {
      message
          .getEmailBuilder()
          .setDestinationAddress(email.destinationAddress())
          .setSourceAddress(text(email.sourceAddress()))
          .setTemplateArn(text(email.templateArn()));
    }
  }

  private static com.dialgateway.v1.Telephony telephony(Channel.Telephony call) {
    var message = com.dialgateway.v1.Telephony.newBuilder();
    message.setSourcePhoneNumber(text(call.sourcePhoneNumber()));
    Duration ring = call.ringTimeout();
    if (ring != null) {
      message.getRingTimeoutBuilder().setSeconds(ring.getSeconds()).setNanos(ring.getNano());
    }
    Channel.AnswerMachineDetection detection = call.answerMachineDetection();
    if (detection != null) {
      var sent = message.getAnswerMachineDetectionBuilder().setEnabled(detection.enabled());
      if (detection.awaitPrompt() != null) {
        sent.setAwaitPrompt(detection.awaitPrompt());
      }
    }
    return message.build();
  }

  private static String text(@Nullable String value) {
    return value == null ? "" : value;
  }
}
