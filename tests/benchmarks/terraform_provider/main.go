// Command terraform-provider-portkey is a stand-in for the vendor's Terraform provider.
//
// It has the documented schema of three resources and the documented calls of each operation, so
// that a state and a benchmark can be made where the vendor's binary is not available.
package main

import (
	"context"
	"log"

	"github.com/hashicorp/terraform-plugin-framework/datasource"
	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/provider/schema"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type portkey struct{}

type settings struct {
	APIKey  types.String `tfsdk:"api_key"`
	BaseURL types.String `tfsdk:"base_url"`
}

func (portkey) Metadata(_ context.Context, _ provider.MetadataRequest, r *provider.MetadataResponse) {
	r.TypeName = "portkey"
}

func (portkey) Schema(_ context.Context, _ provider.SchemaRequest, r *provider.SchemaResponse) {
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"api_key":  schema.StringAttribute{Optional: true, Sensitive: true},
		"base_url": schema.StringAttribute{Optional: true},
	}}
}

func (portkey) Configure(ctx context.Context, q provider.ConfigureRequest, r *provider.ConfigureResponse) {
	var given settings
	r.Diagnostics.Append(q.Config.Get(ctx, &given)...)
	r.ResourceData = newClient(given.BaseURL.ValueString(), given.APIKey.ValueString())
}

func (portkey) DataSources(context.Context) []func() datasource.DataSource { return nil }

func (portkey) Resources(context.Context) []func() resource.Resource {
	return []func() resource.Resource{
		func() resource.Resource { return &workspace{} },
		func() resource.Resource { return &integration{} },
		func() resource.Resource { return &modelAccess{} },
		func() resource.Resource { return &workspaceAccess{} },
	}
}

func main() {
	options := providerserver.ServeOpts{Address: "registry.example.com/portkey-ai/portkey"}
	make := func() provider.Provider { return portkey{} }
	if err := providerserver.Serve(context.Background(), make, options); err != nil {
		log.Fatal(err)
	}
}
