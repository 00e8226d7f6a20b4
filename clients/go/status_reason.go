package dialgateway

// A StatusReason says why a gateway has ended a call with a status other than OK.
// It is empty if gRPC itself, a proxy or a broken connection ended the call. Treat
// one that you do not know as its status code.
type StatusReason string

// The reasons. ErrorReason in the wire contract describes each of them.
const (
	StatusDraining               StatusReason = "DRAINING"
	StatusStreamAge              StatusReason = "STREAM_AGE"
	StatusStreamLimit            StatusReason = "STREAM_LIMIT"
	StatusListTooLong            StatusReason = "LIST_TOO_LONG"
	StatusMessageTooLarge        StatusReason = "MESSAGE_TOO_LARGE"
	StatusOverloaded             StatusReason = "OVERLOADED"
	StatusCallerWindow           StatusReason = "CALLER_WINDOW"
	StatusWatchLimit             StatusReason = "WATCH_LIMIT"
	StatusHoldLimit              StatusReason = "HOLD_LIMIT"
	StatusUnauthenticated        StatusReason = "UNAUTHENTICATED"
	StatusUnknownCaller          StatusReason = "UNKNOWN_CALLER"
	StatusDialingDenied          StatusReason = "DIALING_DENIED"
	StatusOperationDenied        StatusReason = "OPERATION_DENIED"
	StatusInvalidField           StatusReason = "INVALID_FIELD"
	StatusUnreadableMessage      StatusReason = "UNREADABLE_MESSAGE"
	StatusUnreadableStream       StatusReason = "UNREADABLE_STREAM"
	StatusCampaignNotFound       StatusReason = "CAMPAIGN_NOT_FOUND"
	StatusNotHeld                StatusReason = "NOT_HELD"
	StatusAmbiguousName          StatusReason = "AMBIGUOUS_NAME"
	StatusDirectoryUnread        StatusReason = "DIRECTORY_UNREAD"
	StatusSharedStateUnreachable StatusReason = "SHARED_STATE_UNREACHABLE"
	StatusInternal               StatusReason = "INTERNAL"
	StatusNotSuppressed          StatusReason = "NOT_SUPPRESSED"
	StatusSuppressionLimit       StatusReason = "SUPPRESSION_LIMIT"
	StatusSuppressionNotKept     StatusReason = "SUPPRESSION_NOT_KEPT"
)

// nothingTaken reports whether a gateway with this reason has not read the requests
// of the call that have no answer. They are not in doubt then. The same status
// without a reason may be from a proxy, which knows nothing of that.
func nothingTaken(reason StatusReason) bool {
	switch reason {
	case StatusDraining, StatusStreamAge, StatusStreamLimit, StatusListTooLong, StatusMessageTooLarge,
		StatusOverloaded, StatusCallerWindow, StatusUnauthenticated, StatusUnknownCaller, StatusDialingDenied:
		return true
	}
	return false
}
