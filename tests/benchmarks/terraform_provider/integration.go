package main

import (
	"context"
	"encoding/json"

	"github.com/hashicorp/terraform-plugin-framework/resource"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/booldefault"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/planmodifier"
	"github.com/hashicorp/terraform-plugin-framework/resource/schema/stringplanmodifier"
	"github.com/hashicorp/terraform-plugin-framework/types"
)

type withClient struct{ client *client }

func (w *withClient) Configure(_ context.Context, q resource.ConfigureRequest, _ *resource.ConfigureResponse) {
	if found, ok := q.ProviderData.(*client); ok {
		w.client = found
	}
}

type integration struct{ withClient }

type integrationModel struct {
	ID             types.String `tfsdk:"id"`
	Slug           types.String `tfsdk:"slug"`
	Name           types.String `tfsdk:"name"`
	Provider       types.String `tfsdk:"ai_provider_id"`
	Key            types.String `tfsdk:"key"`
	KeyWO          types.String `tfsdk:"key_wo"`
	KeyVersion     types.Int64  `tfsdk:"key_version"`
	Configurations types.String `tfsdk:"configurations"`
	Description    types.String `tfsdk:"description"`
	WorkspaceID    types.String `tfsdk:"workspace_id"`
	AllowAllModels types.Bool   `tfsdk:"allow_all_models"`
	SecretMappings types.Set    `tfsdk:"secret_mappings"`
	Type           types.String `tfsdk:"type"`
	Status         types.String `tfsdk:"status"`
	CreatedAt      types.String `tfsdk:"created_at"`
	UpdatedAt      types.String `tfsdk:"updated_at"`
}

func (*integration) Metadata(_ context.Context, _ resource.MetadataRequest, r *resource.MetadataResponse) {
	r.TypeName = "portkey_integration"
}

func computed() schema.StringAttribute {
	return schema.StringAttribute{
		Computed:      true,
		PlanModifiers: []planmodifier.String{stringplanmodifier.UseStateForUnknown()},
	}
}

func (*integration) Schema(_ context.Context, _ resource.SchemaRequest, r *resource.SchemaResponse) {
	kept := []planmodifier.String{stringplanmodifier.UseStateForUnknown(), stringplanmodifier.RequiresReplace()}
	chosen := schema.StringAttribute{Optional: true, Computed: true, PlanModifiers: kept}
	allModels := schema.BoolAttribute{Optional: true, Computed: true, Default: booldefault.StaticBool(true)}
	r.Schema = schema.Schema{Attributes: map[string]schema.Attribute{
		"id":               computed(),
		"slug":             chosen,
		"name":             schema.StringAttribute{Required: true},
		"ai_provider_id":   fixed(),
		"key":              schema.StringAttribute{Optional: true, Sensitive: true},
		"key_wo":           schema.StringAttribute{Optional: true, WriteOnly: true},
		"key_version":      schema.Int64Attribute{Optional: true},
		"configurations":   schema.StringAttribute{Optional: true, Sensitive: true},
		"description":      schema.StringAttribute{Optional: true},
		"workspace_id":     chosen,
		"allow_all_models": allModels,
		"secret_mappings": schema.SetNestedAttribute{Optional: true, NestedObject: schema.NestedAttributeObject{
			Attributes: map[string]schema.Attribute{
				"target_field":        schema.StringAttribute{Required: true},
				"secret_reference_id": schema.StringAttribute{Required: true},
				"secret_key":          schema.StringAttribute{Optional: true},
			}}},
		"type":       computed(),
		"status":     schema.StringAttribute{Computed: true},
		"created_at": schema.StringAttribute{Computed: true},
		"updated_at": schema.StringAttribute{Computed: true},
	}}
}

func body(ctx context.Context, m integrationModel, keyWO types.String) object {
	sent := object{"name": m.Name.ValueString()}
	if !m.Key.IsNull() {
		sent["key"] = m.Key.ValueString()
	} else if !keyWO.IsNull() {
		sent["key"] = keyWO.ValueString()
	}
	if !m.Configurations.IsNull() {
		var parsed object
		_ = json.Unmarshal([]byte(m.Configurations.ValueString()), &parsed)
		sent["configurations"] = parsed
	}
	if !m.Description.IsNull() {
		sent["description"] = m.Description.ValueString()
	}
	if !m.SecretMappings.IsNull() {
		var entries []struct {
			Target    string  `tfsdk:"target_field" json:"target_field"`
			Reference string  `tfsdk:"secret_reference_id" json:"secret_reference_id"`
			Key       *string `tfsdk:"secret_key" json:"secret_key,omitempty"`
		}
		m.SecretMappings.ElementsAs(ctx, &entries, false)
		sent["secret_mappings"] = entries
	}
	return sent
}

func (i *integration) refresh(ctx context.Context, m *integrationModel) error {
	path := "/integrations/" + m.Slug.ValueString()
	found, err := i.client.call(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	models, err := i.client.call(ctx, "GET", path+"/models", nil)
	if err != nil {
		return err
	}
	m.ID, m.Name = types.StringValue(text(found, "id")), types.StringValue(text(found, "name"))
	m.Status, m.Type = types.StringValue(text(found, "status")), types.StringValue(text(found, "type"))
	m.CreatedAt = types.StringValue(text(found, "created_at"))
	m.UpdatedAt = types.StringValue(text(found, "last_updated_at"))
	if text(found, "description") != "" {
		m.Description = types.StringValue(text(found, "description"))
	}
	if m.WorkspaceID.IsUnknown() || m.WorkspaceID.IsNull() {
		m.WorkspaceID = types.StringNull()
		if text(found, "workspace_id") != "" {
			m.WorkspaceID = types.StringValue(text(found, "workspace_id"))
		}
	}
	all, _ := models["allow_all_models"].(bool)
	m.AllowAllModels = types.BoolValue(all)
	return nil
}

func (i *integration) Create(ctx context.Context, q resource.CreateRequest, r *resource.CreateResponse) {
	var plan, config integrationModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	r.Diagnostics.Append(q.Config.Get(ctx, &config)...)
	if r.Diagnostics.HasError() {
		return
	}
	sent := body(ctx, plan, config.KeyWO)
	sent["ai_provider_id"] = plan.Provider.ValueString()
	if !plan.Slug.IsUnknown() {
		sent["slug"] = plan.Slug.ValueString()
	}
	if !plan.WorkspaceID.IsUnknown() && !plan.WorkspaceID.IsNull() {
		sent["workspace_id"] = plan.WorkspaceID.ValueString()
	}
	made, err := i.client.call(ctx, "POST", "/integrations", sent)
	if err == nil {
		plan.Slug = types.StringValue(text(made, "slug"))
		if !plan.AllowAllModels.ValueBool() {
			path := "/integrations/" + plan.Slug.ValueString() + "/models"
			none := object{"allow_all_models": false, "models": []any{}}
			_, err = i.client.call(ctx, "PUT", path, none)
		}
	}
	if err == nil {
		err = i.refresh(ctx, &plan)
	}
	if err != nil {
		r.Diagnostics.AddError("Error creating integration", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (i *integration) Read(ctx context.Context, q resource.ReadRequest, r *resource.ReadResponse) {
	var state integrationModel
	r.Diagnostics.Append(q.State.Get(ctx, &state)...)
	if err := i.refresh(ctx, &state); err != nil {
		r.Diagnostics.AddError("Error reading integration", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, state)...)
}

func (i *integration) Update(ctx context.Context, q resource.UpdateRequest, r *resource.UpdateResponse) {
	var plan, config integrationModel
	r.Diagnostics.Append(q.Plan.Get(ctx, &plan)...)
	r.Diagnostics.Append(q.Config.Get(ctx, &config)...)
	path := "/integrations/" + plan.Slug.ValueString()
	_, err := i.client.call(ctx, "PUT", path, body(ctx, plan, config.KeyWO))
	if err == nil {
		err = i.refresh(ctx, &plan)
	}
	if err != nil {
		r.Diagnostics.AddError("Error updating integration", err.Error())
		return
	}
	r.Diagnostics.Append(r.State.Set(ctx, plan)...)
}

func (i *integration) Delete(ctx context.Context, q resource.DeleteRequest, r *resource.DeleteResponse) {
	var state integrationModel
	r.Diagnostics.Append(q.State.Get(ctx, &state)...)
	if _, err := i.client.call(ctx, "DELETE", "/integrations/"+state.Slug.ValueString(), nil); err != nil {
		r.Diagnostics.AddError("Error deleting integration", err.Error())
	}
}
