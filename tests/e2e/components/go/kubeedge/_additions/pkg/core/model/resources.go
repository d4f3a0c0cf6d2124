package model

// Kinds of resources that cloud and edge tell each other about, and that the published module lacks.
// Both sides are of the same build, so any names do.
const (
	ResourceTypeK8sCA    = "k8s/ca.crt"
	ResourceTypeCSR      = "certificatesigningrequest"
	ResourceTypeEvent    = "event"
	ResourceTypeSaAccess = "serviceaccountaccess"
)
