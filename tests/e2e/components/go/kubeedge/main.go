// Every part of KubeEdge in one program, which acts as the part it is called by.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"k8s.io/component-base/logs"

	cloudcore "github.com/kubeedge/kubeedge/cloud/cmd/cloudcore/app"
	edgecore "github.com/kubeedge/kubeedge/edge/cmd/edgecore/app"
	keadm "github.com/kubeedge/kubeedge/keadm/cmd/keadm/app"
)

func serve(command *cobra.Command) error {
	logs.InitLogs()
	defer logs.FlushLogs()
	return command.Execute()
}

func run() error {
	switch name := filepath.Base(os.Args[0]); name {
	case "cloudcore":
		return serve(cloudcore.NewCloudCoreCommand())
	case "edgecore":
		return serve(edgecore.NewEdgeCoreCommand())
	case "keadm":
		return keadm.Run()
	default:
		return fmt.Errorf("%s: call this program as cloudcore, edgecore or keadm", name)
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
