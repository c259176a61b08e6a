// What Istio itself says of DestinationRules: objects in JSON on standard input, an answer for each in JSON on standard
// output. It is the check that Istio's admission webhook makes.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	networking "istio.io/api/networking/v1alpha3"
	"istio.io/istio/pkg/config"
	"istio.io/istio/pkg/config/schema/gvk"
	"istio.io/istio/pkg/config/validation"
	"istio.io/istio/pkg/util/protomarshal"
)

type object struct {
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec json.RawMessage `json:"spec"`
}

type answer struct {
	Name    string `json:"name"`
	Error   string `json:"error,omitempty"`
	Warning string `json:"warning,omitempty"`
}

func main() {
	var objects []object
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		fmt.Fprintln(os.Stderr, "reading the objects:", err)
		os.Exit(1)
	}
	answers := make([]answer, 0, len(objects))
	for _, object := range objects {
		answers = append(answers, validate(object))
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		fmt.Fprintln(os.Stderr, "writing the answers:", err)
		os.Exit(1)
	}
}

func validate(object object) answer {
	result := answer{Name: object.Metadata.Name}
	rule := &networking.DestinationRule{}
	// An unknown field is an error, too.
	if err := protomarshal.Unmarshal(object.Spec, rule); err != nil {
		result.Error = err.Error()
		return result
	}
	warning, err := validation.ValidateDestinationRule(config.Config{
		Meta: config.Meta{
			GroupVersionKind: gvk.DestinationRule,
			Name:             object.Metadata.Name,
			Namespace:        object.Metadata.Namespace,
		},
		Spec: rule,
	})
	if err != nil {
		result.Error = err.Error()
	}
	if warning != nil {
		result.Warning = warning.Error()
	}
	return result
}
