// What kstatus says of objects, the library by which Flux and others tell how far an object is: a list of objects in JSON on standard
// input, a list of answers in JSON on standard output.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type answer struct {
	Status  status.Status `json:"status"`
	Message string        `json:"message"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	// Decoded as the library wants it, with whole numbers as such.
	var objects []unstructured.Unstructured
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return fmt.Errorf("cannot read the objects: %w", err)
	}
	answers := make([]answer, 0, len(objects))
	for i := range objects {
		result, err := status.Compute(&objects[i])
		if err != nil {
			return fmt.Errorf("%s/%s: %w", objects[i].GetNamespace(), objects[i].GetName(), err)
		}
		answers = append(answers, answer{result.Status, result.Message})
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}
