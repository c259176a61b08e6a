// What gets through, as cyclonus computes it from NetworkPolicies: a question in JSON on standard input, the answer in
// JSON on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

type question struct {
	Policies []*networkingv1.NetworkPolicy `json:"policies"`
	Peers    map[string]peer               `json:"peers"`
	Ports    []port                        `json:"ports"`
}

// A pod, or, without a namespace, an address outside the cluster.
type peer struct {
	Namespace       string            `json:"namespace"`
	NamespaceLabels map[string]string `json:"namespaceLabels"`
	Labels          map[string]string `json:"labels"`
	IP              string            `json:"ip"`
}

type port struct {
	Number   int             `json:"number"`
	Protocol corev1.Protocol `json:"protocol"`
}

// A connection that gets through.
type connection struct {
	From string `json:"from"`
	To   string `json:"to"`
	Port port   `json:"port"`
}

func main() {
	if err := answer(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer() error {
	var q question
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		return fmt.Errorf("cannot read the question: %w", err)
	}
	policy := matcher.BuildNetworkPolicies(false, q.Policies)
	names := make([]string, 0, len(q.Peers))
	for name := range q.Peers {
		names = append(names, name)
	}
	sort.Strings(names)
	through := []connection{}
	for _, from := range names {
		for _, to := range names {
			for _, port := range q.Ports {
				traffic := matcher.Traffic{
					Source:       end(q.Peers[from]),
					Destination:  end(q.Peers[to]),
					ResolvedPort: port.Number,
					Protocol:     port.Protocol,
				}
				if from != to && policy.IsTrafficAllowed(&traffic).IsAllowed() {
					through = append(through, connection{from, to, port})
				}
			}
		}
	}
	return json.NewEncoder(os.Stdout).Encode(through)
}

func end(p peer) *matcher.TrafficPeer {
	if p.Namespace == "" {
		return &matcher.TrafficPeer{IP: p.IP}
	}
	return &matcher.TrafficPeer{IP: p.IP, Internal: &matcher.InternalPeer{
		PodLabels:       p.Labels,
		NamespaceLabels: p.NamespaceLabels,
		Namespace:       p.Namespace,
	}}
}
