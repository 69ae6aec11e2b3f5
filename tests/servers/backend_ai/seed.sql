set session_replication_role=replica;
insert into domains(name,is_active,total_resource_slots,allowed_vfolder_hosts,allowed_docker_registries,dotfiles) values('default',true,'{}','{}','{}','\x90');
insert into domains(name,is_active,total_resource_slots,allowed_vfolder_hosts,allowed_docker_registries,dotfiles) values('other',true,'{}','{}','{}','\x90');
insert into keypair_resource_policies(name,default_for_unspecified,total_resource_slots,max_session_lifetime,max_concurrent_sessions,max_containers_per_session,max_vfolder_count,max_vfolder_size,idle_timeout,allowed_vfolder_hosts) values('default','UNLIMITED','{}',0,5,1,10,0,3600,'{}');
insert into user_resource_policies(name,max_vfolder_size,max_session_count_per_model_session) values('default',0,5);
insert into project_resource_policies(name,max_vfolder_size) values('default',0);
insert into groups(id,name,domain_name,is_active,allowed_vfolder_hosts,dotfiles,resource_policy,total_resource_slots) values('2de2b969-1d04-48a6-af16-0bc8adb3c831','default','default',true,'{}','\x90','default','{}');
insert into users(uuid,username,email,password,need_password_change,full_name,description,status,role,domain_name,resource_policy,sudo_session_enabled,main_access_key,created_at) values
 ('f38dea23-50fa-42a0-b5ae-338f5f4693f4','admin','admin@example.com','x',false,'A','', 'active','superadmin','default','default',false,'AKIAIOSFODNN7EXAMPLE',now()),
 ('dfa9da54-4b28-432f-be29-c0d680c7a412','user','user@example.com','x',false,'U','', 'active','user','default','default',false,'AKIANABBDUSEREXAMPLE',now());
insert into keypairs(user_id,access_key,secret_key,is_active,is_admin,rate_limit,num_queries,"user",resource_policy,dotfiles,bootstrap_script,created_at) values
 ('admin@example.com','AKIAIOSFODNN7EXAMPLE','wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',true,true,30000,0,'f38dea23-50fa-42a0-b5ae-338f5f4693f4','default','\x90','',now()),
 ('user@example.com','AKIANABBDUSEREXAMPLE','C8qnIo29EZvXkPK_MXcuAakYTy4NYrxwmCEyNPlf',true,false,30,0,'dfa9da54-4b28-432f-be29-c0d680c7a412','default','\x90','',now());
insert into scaling_groups(name,description,is_active,driver,driver_opts,scheduler,scheduler_opts,use_host_network,wsproxy_addr,wsproxy_api_token) values('default','',true,'static','{}','fifo','{}',false,'http://127.0.0.1:@PROXY@','coordtoken');
insert into images(id,name,image,registry,architecture,config_digest,size_bytes,type,labels,resources) values('11111111-1111-1111-1111-111111111111','x/y:z','y','x','x86_64','d',1,'COMPUTE','{}','{}');
insert into endpoints(id,name,created_user,session_owner,desired_session_count,image,domain,project,resource_group,lifecycle_stage,resource_slots,url,open_to_public,cluster_mode,cluster_size,environ,resource_opts) values
 ('aaaaaaaa-0000-0000-0000-000000000001','llama','f38dea23-50fa-42a0-b5ae-338f5f4693f4','f38dea23-50fa-42a0-b5ae-338f5f4693f4',1,'11111111-1111-1111-1111-111111111111','default','2de2b969-1d04-48a6-af16-0bc8adb3c831','default','created','{}','http://127.0.0.1:@SERVICE@',false,'SINGLE_NODE',1,'{}','{}'),
 ('aaaaaaaa-0000-0000-0000-000000000002','users-own','dfa9da54-4b28-432f-be29-c0d680c7a412','dfa9da54-4b28-432f-be29-c0d680c7a412',1,'11111111-1111-1111-1111-111111111111','default','2de2b969-1d04-48a6-af16-0bc8adb3c831','default','created','{}','http://127.0.0.1:@SERVICE@/',false,'SINGLE_NODE',1,'{}','{}'),
 ('aaaaaaaa-0000-0000-0000-000000000003','noroute','f38dea23-50fa-42a0-b5ae-338f5f4693f4','f38dea23-50fa-42a0-b5ae-338f5f4693f4',0,'11111111-1111-1111-1111-111111111111','default','2de2b969-1d04-48a6-af16-0bc8adb3c831','default','created','{}',null,false,'SINGLE_NODE',1,'{}','{}');
insert into routings(endpoint,session,session_owner,domain,project,status,traffic_ratio) values
 ('aaaaaaaa-0000-0000-0000-000000000001','bbbbbbbb-0000-0000-0000-000000000001','f38dea23-50fa-42a0-b5ae-338f5f4693f4','default','2de2b969-1d04-48a6-af16-0bc8adb3c831','healthy',1.0),
 ('aaaaaaaa-0000-0000-0000-000000000002','bbbbbbbb-0000-0000-0000-000000000002','dfa9da54-4b28-432f-be29-c0d680c7a412','default','2de2b969-1d04-48a6-af16-0bc8adb3c831','healthy',1.0);
