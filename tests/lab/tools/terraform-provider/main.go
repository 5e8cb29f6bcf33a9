// A provider with the name of hashicorp/aws that knows the schema of the resources which generated code uses, and nothing else:
// it lets `tofu validate` and `tofu plan` check types and references without AWS and without a registry.
package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/terraform-plugin-go/tfprotov5"
	"github.com/hashicorp/terraform-plugin-go/tfprotov5/tf5server"
	"github.com/hashicorp/terraform-plugin-go/tftypes"
)

//go:embed schema.json
var schemaFile []byte

// One of the provider, a resource or a data source. Attributes are "MODE TYPE": r(equired), o(ptional), c(omputed) or
// oc; string, bool, number, or a list, set or map of strings.
type block struct {
	Attributes map[string]string `json:"attributes"`
	Blocks     map[string]block  `json:"blocks"`
}

type schema struct {
	Provider  block            `json:"provider"`
	Resources map[string]block `json:"resources"`
	Data      map[string]block `json:"data"`
	// What data sources answer, besides their arguments.
	Answers map[string]map[string]any `json:"answers"`
}

var known = map[string]tftypes.Type{
	"string":       tftypes.String,
	"bool":         tftypes.Bool,
	"number":       tftypes.Number,
	"list(string)": tftypes.List{ElementType: tftypes.String},
	"set(string)":  tftypes.Set{ElementType: tftypes.String},
	"map(string)":  tftypes.Map{ElementType: tftypes.String},
	"dns_entries": tftypes.List{ElementType: tftypes.Object{AttributeTypes: map[string]tftypes.Type{
		"dns_name": tftypes.String, "hosted_zone_id": tftypes.String,
	}}},
}

func typed(text string) (string, tftypes.Type) {
	mode, name, _ := strings.Cut(text, " ")
	found, ok := known[name]
	if !ok {
		panic("unknown type " + text)
	}
	return mode, found
}

func (b block) schema() *tfprotov5.SchemaBlock {
	written := &tfprotov5.SchemaBlock{}
	for name, text := range b.Attributes {
		mode, kind := typed(text)
		written.Attributes = append(written.Attributes, &tfprotov5.SchemaAttribute{
			Name: name, Type: kind, Required: mode == "r", Optional: strings.Contains(mode, "o"), Computed: strings.Contains(mode, "c"),
		})
	}
	for name, nested := range b.Blocks {
		written.BlockTypes = append(written.BlockTypes, &tfprotov5.SchemaNestedBlock{
			TypeName: name, Block: nested.schema(), Nesting: tfprotov5.SchemaNestedBlockNestingModeList,
		})
	}
	return written
}

func full(b block) *tfprotov5.Schema { return &tfprotov5.Schema{Block: b.schema()} }

type provider struct {
	tfprotov5.ProviderServer
	schema schema
}

func (p provider) GetMetadata(context.Context, *tfprotov5.GetMetadataRequest) (*tfprotov5.GetMetadataResponse, error) {
	answer := &tfprotov5.GetMetadataResponse{}
	for name := range p.schema.Resources {
		answer.Resources = append(answer.Resources, tfprotov5.ResourceMetadata{TypeName: name})
	}
	for name := range p.schema.Data {
		answer.DataSources = append(answer.DataSources, tfprotov5.DataSourceMetadata{TypeName: name})
	}
	return answer, nil
}

func (p provider) GetProviderSchema(context.Context, *tfprotov5.GetProviderSchemaRequest) (*tfprotov5.GetProviderSchemaResponse, error) {
	answer := &tfprotov5.GetProviderSchemaResponse{
		Provider:          full(p.schema.Provider),
		ResourceSchemas:   map[string]*tfprotov5.Schema{},
		DataSourceSchemas: map[string]*tfprotov5.Schema{},
	}
	for name, resource := range p.schema.Resources {
		answer.ResourceSchemas[name] = full(resource)
	}
	for name, data := range p.schema.Data {
		answer.DataSourceSchemas[name] = full(data)
	}
	return answer, nil
}

func (p provider) PrepareProviderConfig(_ context.Context, r *tfprotov5.PrepareProviderConfigRequest) (*tfprotov5.PrepareProviderConfigResponse, error) {
	return &tfprotov5.PrepareProviderConfigResponse{PreparedConfig: r.Config}, nil
}

func (p provider) ConfigureProvider(context.Context, *tfprotov5.ConfigureProviderRequest) (*tfprotov5.ConfigureProviderResponse, error) {
	return &tfprotov5.ConfigureProviderResponse{}, nil
}

func (p provider) StopProvider(context.Context, *tfprotov5.StopProviderRequest) (*tfprotov5.StopProviderResponse, error) {
	return &tfprotov5.StopProviderResponse{}, nil
}

func (p provider) ValidateResourceTypeConfig(context.Context, *tfprotov5.ValidateResourceTypeConfigRequest) (*tfprotov5.ValidateResourceTypeConfigResponse, error) {
	return &tfprotov5.ValidateResourceTypeConfigResponse{}, nil
}

func (p provider) ValidateDataSourceConfig(context.Context, *tfprotov5.ValidateDataSourceConfigRequest) (*tfprotov5.ValidateDataSourceConfigResponse, error) {
	return &tfprotov5.ValidateDataSourceConfigResponse{}, nil
}

func (p provider) UpgradeResourceState(_ context.Context, r *tfprotov5.UpgradeResourceStateRequest) (*tfprotov5.UpgradeResourceStateResponse, error) {
	kind := full(p.schema.Resources[r.TypeName]).ValueType()
	value, err := r.RawState.Unmarshal(kind)
	if err != nil {
		return nil, err
	}
	return &tfprotov5.UpgradeResourceStateResponse{UpgradedState: state(kind, value)}, nil
}

func (p provider) ReadResource(_ context.Context, r *tfprotov5.ReadResourceRequest) (*tfprotov5.ReadResourceResponse, error) {
	return &tfprotov5.ReadResourceResponse{NewState: r.CurrentState}, nil
}

// What the provider computes is not known before it is applied.
func (p provider) PlanResourceChange(_ context.Context, r *tfprotov5.PlanResourceChangeRequest) (*tfprotov5.PlanResourceChangeResponse, error) {
	resource := p.schema.Resources[r.TypeName]
	kind := full(resource).ValueType()
	values, isNull, err := object(r.ProposedNewState, kind)
	if err != nil || isNull {
		return &tfprotov5.PlanResourceChangeResponse{PlannedState: r.ProposedNewState}, err
	}
	for name, text := range resource.Attributes {
		mode, attribute := typed(text)
		if strings.Contains(mode, "c") && values[name].IsNull() {
			values[name] = tftypes.NewValue(attribute, tftypes.UnknownValue)
		}
	}
	return &tfprotov5.PlanResourceChangeResponse{PlannedState: state(kind, tftypes.NewValue(kind, values))}, nil
}

// Everything is unknown but the id, as after the import of the first provider versions.
func (p provider) ImportResourceState(_ context.Context, r *tfprotov5.ImportResourceStateRequest) (*tfprotov5.ImportResourceStateResponse, error) {
	kind := full(p.schema.Resources[r.TypeName]).ValueType().(tftypes.Object)
	values := map[string]tftypes.Value{}
	for name, attribute := range kind.AttributeTypes {
		values[name] = tftypes.NewValue(attribute, nil)
		if list, ok := attribute.(tftypes.List); ok {
			if _, isBlock := p.schema.Resources[r.TypeName].Blocks[name]; isBlock {
				values[name] = tftypes.NewValue(list, []tftypes.Value{})
			}
		}
	}
	values["id"] = tftypes.NewValue(tftypes.String, r.ID)
	return &tfprotov5.ImportResourceStateResponse{ImportedResources: []*tfprotov5.ImportedResource{{
		TypeName: r.TypeName, State: state(kind, tftypes.NewValue(kind, values)),
	}}}, nil
}

func (p provider) ReadDataSource(_ context.Context, r *tfprotov5.ReadDataSourceRequest) (*tfprotov5.ReadDataSourceResponse, error) {
	data := p.schema.Data[r.TypeName]
	kind := full(data).ValueType()
	values, _, err := object(r.Config, kind)
	if err != nil {
		return nil, err
	}
	for name, answer := range p.schema.Answers[r.TypeName] {
		_, attribute := typed(data.Attributes[name])
		values[name] = tftypes.NewValue(attribute, answer)
	}
	return &tfprotov5.ReadDataSourceResponse{State: state(kind, tftypes.NewValue(kind, values))}, nil
}

func object(value *tfprotov5.DynamicValue, kind tftypes.Type) (map[string]tftypes.Value, bool, error) {
	read, err := value.Unmarshal(kind)
	if err != nil || read.IsNull() {
		return nil, true, err
	}
	values := map[string]tftypes.Value{}
	return values, false, read.As(&values)
}

func state(kind tftypes.Type, value tftypes.Value) *tfprotov5.DynamicValue {
	written, err := tfprotov5.NewDynamicValue(kind, value)
	if err != nil {
		panic(err)
	}
	return &written
}

func main() {
	served := provider{}
	if err := json.Unmarshal(schemaFile, &served.schema); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := tf5server.Serve("registry.opentofu.org/hashicorp/aws", func() tfprotov5.ProviderServer { return served }); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
